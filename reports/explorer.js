"use strict";
// The comparison of N machines. Where its data comes from (benchsuite/render/explorer/data.py writes all of it):
//
//   index                 machines and cases, without any cell: data.index(); always in the page, in <script id="data">
//   load(case)            Promise of the column of a case (its place in index.cases): data.columns(case)
//   about(machine)        Promise of one machine alone, with its facts and details: data.about(machine)
//
// A single file embeds all columns, and what is told of machines while that is little: {"index":…, "columns":[…],
// "about":[…]}. A page that loads on demand has {"index":…, "from":"data/"}; for column n it then adds the script
// "data/case-<n>.js", which calls benchsuite.case(n, {…}), and for machine n "data/machine-<n>.js", which calls
// benchsuite.machine(n, {…}).
//
// A column of words is a list, {"all": word, "but": {"place": word}}, or {"of": [words], "at": [places]}; one with gaps
// is a list with null, or {"place": value}. A column without anything to say is left out. In a case's column:
//   machine         places of the machines, null for "each once, in order"
//   implementation, provider
//   value           in units of the case's scale; null without a verified number
//   runs            each run as ln(run / value) in steps of 1e-5; 0 where there are not several
//   ends            [low, high] of the interval, where the runs do not give it (t interval of their logs)
//   gate            what two cells must share to be compared, by "|", in the order of index.gate
//   notes           codes of caveats, by blanks; unclean: what compromised it, by "; "
//   status, reason, source, watts; devices: how many must be paid for it, 0 where no price buys it
