/** The page's shape while the notebook loads, so that nothing jumps when it is there. */
export function NotebookSkeleton() {
  return (
    <main className="skeleton-page" aria-busy="true" aria-label="Loading the notebook">
      <div className="skeleton skeleton-title" />
      <SkeletonCells />
    </main>
  );
}

export function SkeletonCells() {
  return (
    <div className="skeleton-cells" aria-hidden="true">
      {[0, 1, 2].map((at) => (
        <div key={at} className="skeleton skeleton-cell" />
      ))}
    </div>
  );
}
