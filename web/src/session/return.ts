/** Only addresses of this app: never `//elsewhere` or `https://elsewhere`. */
export function safeReturn(next: string | null): string {
  return next && /^\/(?![/\\])/.test(next) && !next.startsWith("/sign-in") ? next : "/";
}
