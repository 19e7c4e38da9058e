/** What every leader calls its own machine. */
const LOCAL = "local";

/** Whose rows are whose in a database that several leaders share. */
export interface OwnRows {
  /** This leader; "": there is one. */
  readonly leader: string;
  /** A node's id as it is kept: of several leaders' own machines each has another one. */
  stored(node: string): string;
  /** The id by which this leader knows a row; null: another leader's own machine. */
  known(row: { readonly id: string; readonly role: string }): string | null;
}

export function ownRows(leader: string): OwnRows {
  const local = leader === "" ? LOCAL : `${LOCAL}-${leader}`;
  return {
    leader,
    stored: (node) => (node === LOCAL ? local : node),
    known: ({ id, role }) => (id === local ? LOCAL : role === "leader" ? null : id),
  };
}
