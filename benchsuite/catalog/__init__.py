"""What is known of hardware, prices, published figures and models: data with source, date and confidence.

``load`` gives the ``Catalog``; everything else takes it. docs/catalog.md has the formats.
"""

from benchsuite.catalog.hardware import Accelerator, Form, Link
from benchsuite.catalog.models import ModelShape
from benchsuite.catalog.prices import Market, Price, offers
from benchsuite.catalog.published import Figure, Role, population, quantity_of
from benchsuite.catalog.publishing import publications
from benchsuite.catalog.rows import Basis, Confidence
from benchsuite.catalog.shipped import Catalog
from benchsuite.catalog.user import load

__all__ = [
    "Accelerator",
    "Basis",
    "Catalog",
    "Confidence",
    "Figure",
    "Form",
    "Link",
    "Market",
    "ModelShape",
    "Price",
    "Role",
    "load",
    "offers",
    "population",
    "publications",
    "quantity_of",
]
