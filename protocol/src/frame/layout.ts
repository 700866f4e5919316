/** 'MWF'. */
export const MAGIC = [0x4d, 0x57, 0x46] as const;

/** Magic and version, CRC, length of the frame, length of header and directory. */
export const FIXED_HEADER_BYTES = 12;
/** What header and the directory's own counts cannot exceed. */
export const MAX_HEADER_BYTES = 72;

/** Kind of a point whose samples are of several kinds. */
export const MIXED = 6;

/** Bits 3–4 of a point block's first byte. */
export const Qualities = { good: 0, same: 1, column: 2 } as const;

/** Low two bits of a point's line in the directory: which timeline it has. */
export const TimelineRef = { same: 0, next: 1, other: 2 } as const;

/** First byte of a timeline: whole milliseconds, or doubles. */
export const TimeForm = { whole: 0, doubles: 1 } as const;

/** A point with at most this many samples, all of one kind and quality, has no block of its own. */
export const SPARSE_SAMPLES = 16;
/** Different kinds, qualities and schemes sparse points may have in one frame. */
export const MAX_CLASSES = 64;

/** How the numbers of the sparse points are written: gaps between them, or one bit per number. */
export const NumberList = { gaps: 0, bitmap: 1 } as const;

/** Kind, first byte of the number column, quality. */
export function classKey(kind: number, form: number, quality: number): number {
  return kind | (form << 3) | (quality << 11);
}

export function classKind(key: number): number {
  return key & 7;
}

export function classForm(key: number): number {
  return (key >> 3) & 255;
}

export function classQuality(key: number): number {
  return key >> 11;
}

/** Bits of a correction of at most 4 units in the last place. */
export const CORRECTION_BITS = 4;
