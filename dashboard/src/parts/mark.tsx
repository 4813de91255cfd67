// The mark of the house: half a celeriac.

export function Mark() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2.6">
      <circle cx="16" cy="18.5" r="10.5" />
      <path d="M16 8a10.5 10.5 0 0 0 0 21z" fill="currentColor" stroke="none" />
      <path d="M16 8c0-4 2-6 5-7M16 8c0-3-2-5-4-6" stroke-linecap="round" />
    </svg>
  );
}
