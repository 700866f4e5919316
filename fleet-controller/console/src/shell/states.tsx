import { CircleCheck, CircleHelp, CircleX, TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { Button } from 'react-aria-components';
import { ApiError } from '../api/client.ts';
import type { Quality } from '../api/types.ts';
import { reasonText } from '../format/value.ts';

/** While the first answer is on its way. */
export function Loading({ lines = 6, label }: { readonly lines?: number; readonly label: string }) {
  return (
    <div className="skeleton" role="status" aria-label={label}>
      {Array.from({ length: lines }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines have no identity
        <i key={line} />
      ))}
    </div>
  );
}

/** What went wrong, and what to do. */
export function Failed({ error, retry }: { readonly error: Error; readonly retry?: () => void }) {
  return (
    <div className="error" role="alert">
      <p>{error.message}</p>
      {error instanceof ApiError && error.hint !== undefined && <p className="quiet">{error.hint}</p>}
      {retry !== undefined && (
        <p>
          <Button className="button small" onPress={retry}>
            Try again
          </Button>
        </p>
      )}
    </div>
  );
}

export function Empty({ children }: { readonly children: ReactNode }) {
  return (
    <div className="empty">
      <CircleCheck size={18} aria-hidden className="tone-good" />
      <p>{children}</p>
    </div>
  );
}

export function OnlineTag({ online, why }: { readonly online: boolean; readonly why?: string | null }) {
  return online ? (
    <span className="tag tone-good">
      <CircleCheck size={15} aria-hidden /> online
    </span>
  ) : (
    <span className="tag tone-bad" title={why ?? undefined}>
      <CircleX size={15} aria-hidden /> offline
    </span>
  );
}

/** Quality in words and shape; colour only repeats it. */
export function QualityTag({
  quality,
  why,
}: {
  readonly quality: Quality;
  readonly why: string | undefined;
}) {
  const reason = reasonText(why);
  if (quality === 'good') {
    return (
      <span className="tag tone-good">
        <CircleCheck size={15} aria-hidden /> good
      </span>
    );
  }
  return (
    <span className={`tag ${quality === 'bad' ? 'tone-bad' : 'tone-warn'}`}>
      {quality === 'bad' ? <TriangleAlert size={15} aria-hidden /> : <CircleHelp size={15} aria-hidden />}
      {reason === '' ? quality : `${quality}: ${reason}`}
    </span>
  );
}
