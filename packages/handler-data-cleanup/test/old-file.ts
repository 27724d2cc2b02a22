import type { Look } from '../src/files/folder.js'

/** A file as a folder shows it, older than anybody asks for. */
export const OLD_FILE: Look = {
  kind: 'file',
  device: 1,
  inode: 1,
  links: 1,
  size: 1,
  bytes: 4_096,
  mtimeMs: 1,
  ctimeMs: 1,
  atimeMs: 1,
  birthMs: 1,
}
