"""All errors raised by PMMDS, as one tree. Add a class if callers need to distinguish two failures.

Not here: errors from libraries, which are translated where the library is called.

PmmdsError                      exit code 1
├── UsageError                  exit code 2: invalid call
│   ├── SettingError            a PMMDS_* variable is invalid
│   ├── ContractError           the contract file is invalid
│   └── InputFileError          an input file cannot be used
├── DataError                   rows cannot be loaded; nothing was loaded partially
├── StoreError                  a store cannot be read or written
│   ├── DatabaseUnavailableError
│   │   └── RightMissingError   this login lacks a database privilege
│   ├── SchemaOutdatedError     `pmmds db migrate` is required
│   │   └── SchemaNewerError    a newer PMMDS created the tables
│   ├── RegistryUnavailableError
│   └── HomeNotWritableError
├── ModelError                  a model cannot be used
│   ├── NoModelError            no model, or no such version
│   ├── ArtifactCorruptError    digest or golden predictions differ
│   ├── ModelNotTrustedError    its files are not in a promotion record
│   └── NotCompilableError      the pipeline has no portable scorer
├── TrainingError               training could not finish
├── EvaluationError             the rows cannot be used to compare champion and challenger
├── PromotionConflictError      the champion changed, or the decision cannot be carried out
└── ServiceError                a PMMDS process is missing or in an unexpected state
    ├── PortTakenError
    ├── AlreadyRunningError
    └── ServiceUnavailableError
"""

from __future__ import annotations


class PmmdsError(Exception):
    """Base class of all PMMDS errors, which have a message and a next step for the user."""

    exit_code = 1

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()


class UsageError(PmmdsError):
    exit_code = 2


class SettingError(UsageError):
    pass


class ContractError(UsageError):
    pass


class InputFileError(UsageError):
    pass


class DataError(PmmdsError):
    pass


class StoreError(PmmdsError):
    pass


class DatabaseUnavailableError(StoreError):
    pass


class RightMissingError(DatabaseUnavailableError):
    pass


class SchemaOutdatedError(StoreError):
    pass


class SchemaNewerError(SchemaOutdatedError):
    pass


class RegistryUnavailableError(StoreError):
    pass


class HomeNotWritableError(StoreError):
    pass


class ModelError(PmmdsError):
    pass


class NoModelError(ModelError):
    pass


class ArtifactCorruptError(ModelError):
    pass


class ModelNotTrustedError(ModelError):
    pass


class NotCompilableError(ModelError):
    pass


class TrainingError(PmmdsError):
    pass


class EvaluationError(PmmdsError):
    pass


class PromotionConflictError(PmmdsError):
    pass


class ServiceError(PmmdsError):
    pass


class PortTakenError(ServiceError):
    pass


class AlreadyRunningError(ServiceError):
    pass


class ServiceUnavailableError(ServiceError):
    pass
