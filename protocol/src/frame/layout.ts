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
