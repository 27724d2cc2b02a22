/** The engines that ours is measured beside, so that scripts outside this package (docs/decisions/trials) can import them by path. */
export { Job, Queue, Worker } from 'bullmq'
export { Redis } from 'ioredis'
export { default as pg } from 'pg'
