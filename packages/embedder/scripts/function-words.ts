/**
 * English words that carry grammar rather than content. A newspaper corpus underrates how often people ask
 * "how do I" or "why does my", so word frequency alone leaves these words too heavy in questions.
 */
const lines = `
a an the this that these those some any each every either neither no none all both few many much more most
several such other another same own i me my mine myself we us our ours ourselves you your yours yourself
yourselves he him his himself she her hers herself it its itself they them their theirs themselves one ones
someone somebody anyone anybody everyone everybody something anything everything nothing nobody
who whom whose which what when where why how whether while whenever wherever whatever whoever
am is are was were be been being do does did doing done have has had having can could may might must shall
should will would ought need cannot
not nor and or but if then else so than because as until although though since unless also too very just only
even still yet again ever never always often sometimes usually once here there now thus hence therefore however
of at by for with about against between into through during before after above below to from up down in out on
off over under further along across around behind beside besides beyond toward towards upon within without via
per onto near
s t d ll re ve m don doesn didn isn aren wasn weren won wouldn couldn shouldn hasn haven hadn ain let lets
get gets getting got gotten make makes making made put puts use uses used using go goes going went gone take
takes taking took taken give gives giving gave come comes coming came keep keeps keeping kept want wants wanted
like thing things way ways lot lots kind please yes ok okay hello hi thanks
`

export const functionWords: ReadonlySet<string> = new Set(lines.trim().split(/\s+/))
