export { fileName, plain, table } from './markdown.ts';
export { createNote, type NoteSpec, noteId, type Patched, type Property, patchNote } from './note.ts';
export { regionNotes } from './notes/region-notes.ts';
export { type SyncResult, Vault, type VaultConfig } from './vault.ts';
