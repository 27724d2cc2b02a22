import { constants, type StatsFs } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { isWorkerError } from '@mcp-worker/runtime'
import { firstLine } from '../../config-file.js'
import { fault, type Finding, mebibytes, ok, type Patient, skipped, warning } from './finding.js'

/** Below this the queue refuses submits. */
const RESERVE_BYTES = 64 * 1024 * 1024
const LITTLE_BYTES = 512 * 1024 * 1024
const SLOW_COMMIT_MS = 50

/** DATA_DIR, its disk, and what the queue asks of its file system. A folder that is not there yet is judged by the one that it will be made in. */
export async function checkFolder(patient: Patient): Promise<Finding[]> {
  const { dataDir } = patient
  const folder = await nearestFolder(dataDir)
  const writable = await checkWritable(dataDir, folder)
  const rest = [await checkDisk('DATA_DIR', folder), await checkDisk('the temporary folder', tmpdir())]
  if (writable.status === 'fault') return [writable, ...rest, skipped('file_system', 'DATA_DIR has a fault')]
  if (patient.environment.QUEUE_URL === 'memory') {
    return [writable, ...rest, skipped('file_system', 'QUEUE_URL is memory:')]
  }
  return [writable, ...rest, await checkFileSystem(folder, patient)]
}

async function nearestFolder(path: string): Promise<string> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  )
  return isThere || dirname(path) === path ? path : nearestFolder(dirname(path))
}

async function checkWritable(dataDir: string, folder: string): Promise<Finding> {
  if (!(await stat(folder)).isDirectory()) {
    return fault('data_dir', `${folder} is a file`, 'Set DATA_DIR to a folder, or move the file away')
  }
  try {
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    const remedy = `Give the folder to the user who runs the worker (in the container: chown -R 1000:1000), or set DATA_DIR to another one`
    return fault('data_dir', `${folder} cannot be written: ${firstLine(error)}`, remedy)
  }
  return ok('data_dir', folder === dataDir ? dataDir : `${dataDir} will be made in ${folder}`)
}

async function checkDisk(what: string, folder: string): Promise<Finding> {
  const { bavail, bsize, files, ffree }: StatsFs = await statfs(folder)
  const free = bavail * bsize
  const detail = `${what} (${folder}) has ${mebibytes(free)} free`
  const remedy = 'Free disk space, make the volume larger, or lower `retention` in the configuration file'
  if (files > 0 && ffree === 0) return fault('disk', `${what} (${folder}) has no inode left`, remedy)
  if (free < RESERVE_BYTES) {
    return fault('disk', `${detail}, less than the reserve of ${mebibytes(RESERVE_BYTES)}`, remedy)
  }
  return free < LITTLE_BYTES ? warning('disk', detail, remedy) : ok('disk', detail)
}

async function checkFileSystem(folder: string, { configuration }: Patient): Promise<Finding> {
  const durability = configuration?.config.durability ?? 'power'
  const { tryQueueFolder } = await import('@mcp-worker/runtime/sqlite')
  try {
    const { commitMs } = tryQueueFolder(folder, durability)
    const detail = `locks hold, SQLite's settings hold, a commit takes ${commitMs.toFixed(1)} ms (durability ${durability})`
    if (commitMs < SLOW_COMMIT_MS) return ok('file_system', detail)
    return warning(
      'file_system',
      detail,
      'Put DATA_DIR on a faster local disk: each accepted task waits for it',
    )
  } catch (error) {
    if (!isWorkerError(error)) throw error
    return fault('file_system', `${error.message} (${error.code})`, error.remedy)
  }
}
