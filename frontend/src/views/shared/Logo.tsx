/** Two overlapping pages: one notebook, several people. */
export function Logo() {
  return (
    <svg viewBox="0 0 32 32" className="logo-mark" aria-hidden="true">
      <rect x="3" y="5" width="17" height="20" rx="4" className="logo-back" />
      <rect x="11" y="8" width="18" height="20" rx="4" className="logo-front" />
      <path d="M16 14.5h8M16 18.5h8M16 22.5h5" className="logo-lines" />
    </svg>
  );
}
