import { describe, expect, it } from 'vitest'
import { countTerms } from '../src/terms.js'

const terms = (text: string) => [...countTerms(text).keys()]

describe('terms', () => {
  it('are the words in lower case with their counts, in order of first occurrence', () => {
    expect([...countTerms('The cat, the DOG.')]).toEqual([
      ['the', 2],
      ['cat', 1],
      ['dog', 1],
    ])
  })

  it('hold an identifier as a whole and by its parts', () => {
    expect(terms('parseHTTPHeader')).toEqual(['parsehttpheader', 'parse', 'http', 'header'])
    expect(terms('ui5-deploy.yaml')).toEqual(['ui5', 'deploy', 'yaml'])
  })

  it('treat a capital or capitals throughout as no identifier', () => {
    expect(terms('Berlin NATO')).toEqual(['berlin', 'nato'])
  })

  it('are pairs of characters where no spaces divide words', () => {
    expect(terms('東京都')).toEqual(['東京', '京都'])
    expect(terms('本')).toEqual(['本'])
  })

  it('are the same for composed and decomposed letters', () => {
    expect(terms('cafe\u0301')).toEqual(terms('caf\u00e9'))
  })

  it('are the characters of a text of symbols alone, and none of white space', () => {
    expect(terms('🙂 !')).toEqual(['🙂', '!'])
    expect(terms(' \n\t')).toEqual([])
  })
})
