/** Changelogs for those who use the packages: what changed and what it means for them, no commit hashes. */

/** @param {{ summary: string }} changeset */
function getReleaseLine({ summary }) {
  const [first, ...more] = summary.trim().split('\n')
  return [`- ${first}`, ...more.map((line) => (line === '' ? '' : `  ${line}`))].join('\n')
}

/** @param {unknown} _changesets @param {readonly { name: string, newVersion: string, type: string }[]} updated */
function getDependencyReleaseLine(_changesets, updated) {
  const released = updated.filter(({ type }) => type !== 'none')
  return released.map(({ name, newVersion }) => `- With \`${name}\` ${newVersion}.`).join('\n')
}

export default { getReleaseLine, getDependencyReleaseLine }
