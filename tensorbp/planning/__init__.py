"""Planning: from expressions and linear maps to a plan, without touching an array."""

from tensorbp.planning.plan import SCHEMA as SCHEMA
from tensorbp.planning.plan import Baselines as Baselines
from tensorbp.planning.plan import Figures as Figures
from tensorbp.planning.plan import MapOutput as MapOutput
from tensorbp.planning.plan import Plan as Plan
from tensorbp.planning.plan import PlannedInput as PlannedInput
from tensorbp.planning.plan import PlannedSelection as PlannedSelection
from tensorbp.planning.plan import PlannedValue as PlannedValue
from tensorbp.planning.plan import Step as Step
from tensorbp.planning.plan_file import read_plan as read_plan
from tensorbp.planning.planner import Outputs as Outputs
from tensorbp.planning.planner import Wanted as Wanted
from tensorbp.planning.planner import plan as plan
