"""What serving or training a model will take on a machine, from what the machine was measured to give.

    Ceilings x ModelShape x Precision x Mesh x Engine -> Phase (``step``) -> throughput (``batching``) -> Forecast

``engine`` holds the parameters of the software, fitted by ``fit`` and scored by ``score``; docs/forecast.md has the
equations, docs/forecast-residuals.md the errors.
"""
