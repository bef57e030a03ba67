/** Two islands and the water between them. */
export function Logo({ size = 30 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" style={{ flex: "none" }}>
      <rect width="32" height="32" rx="8" fill="#0b5c6b" />
      <path d="M5.5 21.5c2.2-6.6 5.6-11.8 8.4-11.8 3.2 0 5 6.3 8.2 11.8z" fill="#fff" />
      <path d="M17.8 15.6c1.3-2.4 2.7-3.9 3.9-3.9 2 0 3.6 4.4 4.9 9.8H21c-1.3-2.1-2.3-4.1-3.2-5.9z" fill="#7fd3d8" />
      <path
        d="M5 25.2c2-1.3 3.7-1.3 5.5 0s3.7 1.3 5.5 0 3.7-1.3 5.5 0 3.7 1.3 5.5 0"
        fill="none"
        stroke="#7fd3d8"
        strokeWidth="1.8"
        strokeLinecap="round"
      />
    </svg>
  );
}
