/** Bounds both sides enforce. A larger message is a protocol error and closes the stream. */
export const MAX_FRAME_BYTES = 60 * 1024;
export const MAX_MESSAGE_BYTES = 256 * 1024;
/** Catalogue entries or devices in one message; more go in several. The longest ones fit `MAX_MESSAGE_BYTES`. */
export const MAX_ITEMS_PER_MESSAGE = 100;
/** Journal entries a gateway sends ahead of the last acknowledgement. */
export const MAX_UNACKED_ENTRIES = 256;

export const PROTOCOLS = {
  enrol: '/millwright/enrol/1',
  uplink: '/millwright/uplink/1',
  live: '/millwright/live/1',
  command: '/millwright/command/1',
  // A name of its own: a gateway that knows no dry run must not take one for a command.
  dryRun: '/millwright/dry-run/1',
  alarm: '/millwright/alarm/1',
} as const;
