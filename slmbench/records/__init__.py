"""The versioned records that stages hand to one another or leave behind, one module a kind.

A record keeps raw observations (each latency sample, each review's probabilities). What can be computed from
them is computed when the record is read, so it can be recomputed, merged across machines and never goes stale.
"""

from slmbench.records import artefacts
from slmbench.records.base import Record, read_record, write_record
from slmbench.records.bundle import BundleRecord, FormRecord, Parity, WorkloadLengths
from slmbench.records.checkpoint import BlankLosses, CheckpointRecord, TextsIdentity
from slmbench.records.comparison import ComparisonRecord, MachineDecision, Recommendation, Rejection
from slmbench.records.cross_validation import CrossValidationRecord, Fold
from slmbench.records.decision import DecisionRecord
from slmbench.records.energy import Energy
from slmbench.records.evaluation import EvaluationRecord
from slmbench.records.predictions import Predictions
from slmbench.records.profile import (
    ColdStart,
    Conditions,
    GpuPeaks,
    Memory,
    MemoryPhase,
    ProfileRecord,
    Served,
    ServerLoad,
    ServerTrial,
    Throughput,
    WorkloadIdentity,
)
from slmbench.records.row import Row
from slmbench.records.run import (
    AnswerCost,
    CorpusIdentity,
    EpochLog,
    LengthQuantiles,
    RunRecord,
    TrainCost,
    Truncation,
)
from slmbench.records.scoring import ScoringRecord, ShardRecord
from slmbench.records.sweep import SweepRecord
from slmbench.records.timed import Latency
from slmbench.records.tuning import TuningRecord
from slmbench.records.verification import FormVerification, VerificationRecord
from slmbench.records.versus import VersusRecord

__all__ = [
    "AnswerCost",
    "BlankLosses",
    "BundleRecord",
    "CheckpointRecord",
    "ColdStart",
    "ComparisonRecord",
    "Conditions",
    "CorpusIdentity",
    "CrossValidationRecord",
    "DecisionRecord",
    "Energy",
    "EpochLog",
    "EvaluationRecord",
    "Fold",
    "FormRecord",
    "FormVerification",
    "GpuPeaks",
    "Latency",
    "LengthQuantiles",
    "MachineDecision",
    "Memory",
    "MemoryPhase",
    "Parity",
    "Predictions",
    "ProfileRecord",
    "Recommendation",
    "Record",
    "Rejection",
    "Row",
    "RunRecord",
    "ScoringRecord",
    "Served",
    "ServerLoad",
    "ServerTrial",
    "ShardRecord",
    "SweepRecord",
    "TextsIdentity",
    "Throughput",
    "TrainCost",
    "Truncation",
    "TuningRecord",
    "VerificationRecord",
    "VersusRecord",
    "WorkloadIdentity",
    "WorkloadLengths",
    "artefacts",
    "read_record",
    "write_record",
]
