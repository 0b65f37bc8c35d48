"""Every error a user can meet, as one tree. Add a class when a caller must tell two failures apart.

Keep out: errors of libraries; translate them where the library is called.

PmmdsError                      exit code 1
├── UsageError                  exit code 2: the call itself is wrong
│   ├── SettingError            a PMMDS_* variable does not parse
│   ├── ContractError           the contract file is refused
│   └── InputFileError          a file that was named cannot be used for what was asked
├── DataError                   rows that cannot be loaded; nothing was half-loaded
├── StoreError                  a store cannot be read or written
│   ├── DatabaseUnavailableError
│   │   └── RightMissingError   it answers, and does not let this user do that
│   ├── SchemaOutdatedError     `pmmds db migrate` is due
│   │   └── SchemaNewerError    no: a newer PMMDS made the tables
│   ├── RegistryUnavailableError
│   └── HomeNotWritableError
├── ModelError                  a model cannot be used
│   ├── NoModelError            nothing in production yet
│   ├── ArtifactCorruptError    digest or golden predictions differ
│   ├── ModelNotTrustedError    its files are not in a promotion record
│   └── NotCompilableError      the pipeline has no portable scorer
├── TrainingError               training could not finish
├── EvaluationError             rows that champion and challenger cannot be compared on
├── PromotionConflictError      production moved since the evaluation was made
└── ServiceError                a process of ours is not there, or not as expected
    ├── PortTakenError
    ├── AlreadyRunningError
    └── ServiceUnavailableError
"""

from __future__ import annotations


class PmmdsError(Exception):
    """Base of everything PMMDS raises on purpose: one sentence, and what to do next."""

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
