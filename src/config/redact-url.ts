export const HIDDEN = "[redacted]";

// Up to the last `@`: a password may hold a raw `/` or `@`.
const USER_INFO = /^([a-z][a-z0-9+.-]*:\/\/).*@/is;
const PASSWORD_PARAMETER = /([?&][a-z]*password=)[^&]*/gi;

/** A URL as it may be shown: without user and password. Any other text stays as it is. */
export function redactUrl(text: string): string {
  return text.replace(USER_INFO, `$1${HIDDEN}@`).replaceAll(PASSWORD_PARAMETER, `$1${HIDDEN}`);
}

/** Whether a URL holds a password; a user alone is no secret. */
export function holdsPassword(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\/.*:.*@/is.test(text) || /[?&][a-z]*password=./i.test(text);
}
