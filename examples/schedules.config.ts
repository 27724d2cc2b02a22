import { defineConfig } from '@mcp-worker/worker'
import wordCount from './word-count.ts'

export default defineConfig({
  plugins: [wordCount()],
  schedules: [
    {
      name: 'count_nightly',
      type: 'word_count',
      payload: { texts: ['one two two'] },
      cron: '30 2 * * *', // minute, hour, day of month, month, day of week
      timezone: 'Europe/Berlin',
    },
    { name: 'count_often', type: 'word_count', payload: { texts: ['tick'] }, every: '1s', missed: 'none' },
  ],
})
