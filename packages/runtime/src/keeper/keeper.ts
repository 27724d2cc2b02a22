export interface Keeper {
  readonly placeholder: true
}
