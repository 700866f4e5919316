declare module 'modbus-serial/utils/crc16.js' {
  export default function crc16(bytes: Uint8Array): number;
}
declare module 'modbus-serial/utils/lrc.js' {
  export default function lrc(bytes: Uint8Array): number;
}
