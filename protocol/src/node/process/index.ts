export { ReadyFile } from './ready-file.ts';
export { type Told, untilTold } from './until-told.ts';
