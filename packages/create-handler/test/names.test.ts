import { describe, expect, it } from 'vitest'
import { readName } from '../src/names.js'

describe('readName', () => {
  it.each([
    ['my-task', 'handler-my-task', 'my_task', 'my-task'],
    ['handler-my-task', 'handler-my-task', 'my_task', 'my-task'],
    ['@acme/thumbnail', '@acme/handler-thumbnail', 'thumbnail', 'thumbnail'],
    ['@acme/handler-thumbnail', '@acme/handler-thumbnail', 'thumbnail', 'thumbnail'],
    ['image.resize', 'handler-image.resize', 'image.resize', 'image.resize'],
  ])('reads %s', (given, packageName, type, folder) => {
    expect(readName(given)).toEqual({ packageName, type, folder })
  })

  it.each([
    '',
    '.',
    '..',
    '../x',
    'a/b',
    'My-Task',
    '1st',
    'a b',
    '-x',
    'x-',
    '@acme',
    '@acme/',
    '@/x',
    'handler-',
    'a'.repeat(65),
  ])('refuses %j and says what it expected', (given) => {
    expect(() => readName(given)).toThrow(/expected lower-case words .*; got "/)
  })
})
