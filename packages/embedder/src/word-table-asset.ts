// written by scripts/build-table.ts
export const wordTableAsset = {
  file: 'word-table.bin',
  sha256: '4d06fee21199e58e88a7133bc451bbe155eb501d6a167c3922e7afdb6b8554c7',
} as const
