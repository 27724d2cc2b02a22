import type { Command } from 'commander'
import type { z } from 'zod'
import type { scheduleSchema } from '../api/schedules.js'
import type { CommandContext } from './command-context.js'
import { printJson, printTable } from './terminal.js'

type ScheduleJson = z.output<typeof scheduleSchema>

export function addSchedules(program: Command, { api, terminal }: CommandContext): void {
  program
    .command('schedules')
    .description('list the schedules of the worker, with their next and last runs')
    .option('--json', 'with their payloads, on a terminal as well')
    .action(async ({ json }: { readonly json?: true }) => {
      const { schedules } = await api().get<{ schedules: ScheduleJson[] }>('/schedules')
      if (json === true || !terminal.isTty) return printJson(terminal, { schedules })
      printTable(
        terminal,
        ['SCHEDULE', 'TYPE', 'WHEN', 'MISSED', 'NEXT', 'LAST', 'STATUS'],
        schedules.map(scheduleRow),
      )
    })
}

function scheduleRow({ name, type, cron, every, timezone, missed, ...runs }: ScheduleJson): string[] {
  const when = cron === null ? `every ${every}s` : `${cron} ${timezone}`
  const { last_run: last, next_at: next } = runs
  return [name, type, when, missed, next ?? '', last?.at ?? '', last ? (last.status ?? 'pruned') : '']
}
