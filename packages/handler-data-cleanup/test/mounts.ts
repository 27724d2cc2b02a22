import { execFileSync } from 'node:child_process'
import { onTestFinished } from 'vitest'

/** Until the end of the test. False, with a loud word: this user may not mount, and the test is to be skipped. */
export function mountTmpfs(at: string, size: string): boolean {
  return mount(at, ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', at])
}

/** The folder gets a second path. */
export function mountBind(folder: string, at: string): boolean {
  return mount(at, ['--bind', folder, at])
}

function mount(at: string, options: readonly string[]): boolean {
  try {
    execFileSync('mount', options, { stdio: 'ignore' })
  } catch {
    console.warn('SKIPPED: this user may not mount, so nothing was tried on a mounted file system')
    return false
  }
  onTestFinished(() => void execFileSync('umount', [at]))
  return true
}
