// The page's files are imported as text, so that a compiled executable carries them. TypeScript knows neither kind.
declare module "*.svg" {
  const text: string;
  export = text;
}
declare module "*.css" {
  const text: string;
  export = text;
}
declare module "*/dashboard/app.js" {
  const text: string;
  export = text;
}
declare module "*/dashboard/view.js" {
  const text: string;
  export = text;
}
