"""Models: reading them from files, their parameters, calling them."""

from tensorbp.model.graph import LayerRecord as LayerRecord
from tensorbp.model.json_schema import json_schema as json_schema
from tensorbp.model.model import Model as Model
from tensorbp.model.parameters import Parameters as Parameters
from tensorbp.model.reader import load as load
