"""Which node, unit, link or switch is slow: designs of rounds, the rule that judges them, and what it says.

Pure functions over ``model.Scan``; nothing here measures. docs/localisation.md explains the method and its rates.

    design.screen -> (measured) -> verdict.suspects -> design.confirmation, design.links -> (measured)
                  -> verdict.diagnose -> Diagnosis
"""
