"""A deployment as a plain object: settings, contract and stores, opened on first use.

The Dagster resource, the command line and tests use the same class. Stores are imported on first use, because most
commands need only one or two of them. Not here: behavior; this module only creates and connects objects.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pmmds_core.config.settings import Settings, load_settings
from pmmds_core.config.webhooks import words_of
from pmmds_core.contracts.contract import Contract, load_contract
from pmmds_core.errors import HomeNotWritableError, NoModelError
from pmmds_core.policies.retraining import RetrainingLimits
from pmmds_core.runtime.private_folders import make_private
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.database.schema import check_schema, migrate
from pmmds_core.stores.lifecycle.outbox import NotificationOutbox, split_urls, target_of, webhook_target_of

if TYPE_CHECKING:
    from pmmds_core.policies.promotion import PromotionPolicy
    from pmmds_core.stores.artifacts.bundle_cache import ProfileCache
    from pmmds_core.stores.artifacts.datasets import DatasetStore
    from pmmds_core.stores.artifacts.model_registry import ModelRegistry, RegisteredVersion
    from pmmds_core.stores.identity.audit import AuditStore
    from pmmds_core.stores.identity.sessions import SessionStore
    from pmmds_core.stores.identity.tokens import TokenStore
    from pmmds_core.stores.identity.users import UserStore
    from pmmds_core.stores.lifecycle.alerts import AlertStore
    from pmmds_core.stores.lifecycle.decisions import DecisionStore
    from pmmds_core.stores.lifecycle.history import History
    from pmmds_core.stores.lifecycle.publisher import Publisher
    from pmmds_core.stores.lifecycle.registered_versions import RegistrationStore
    from pmmds_core.stores.lifecycle.retrainings import RetrainingStore
    from pmmds_core.stores.monitoring.daily_performance import DailyPerformanceStore
    from pmmds_core.stores.monitoring.drift_reports import DriftStore
    from pmmds_core.stores.monitoring.drift_windows import DriftWindows
    from pmmds_core.stores.monitoring.histograms import HistogramStore
    from pmmds_core.stores.monitoring.segment_counts import SegmentStore
    from pmmds_core.stores.predictions.archive import PredictionArchive
    from pmmds_core.stores.predictions.labels import GroundTruthStore
    from pmmds_core.stores.predictions.log import PredictionLog
    from pmmds_core.stores.predictions.shadow import ShadowStore
    from pmmds_core.training.split import SplitPlan


class Deployment:
    """The settings, the contract and the stores of one deployment."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod
    def from_environment(cls) -> Deployment:
        return cls(load_settings())

    @cached_property
    def contract(self) -> Contract:
        return load_contract(self.settings.contract)

    @property
    def model_name(self) -> str:
        return self.contract.model_name

    @cached_property
    def database(self) -> Database:
        """The database with the current schema.

        The default SQLite database is migrated automatically, so that the first command works. The database at
        PMMDS_DATABASE_URL is shared, so its schema is changed only by `pmmds db migrate`.
        """
        database = open_database(self.settings)
        if self.settings.database_url:
            check_schema(database, self.contract)
        else:
            migrate(database, self.contract)
        return database

    @cached_property
    def registry(self) -> ModelRegistry:
        from pmmds_core.stores.artifacts.model_registry import ModelRegistry

        return ModelRegistry.of(self.settings)

    @cached_property
    def archive(self) -> PredictionArchive:
        from pmmds_core.stores.predictions.archive import PredictionArchive

        return PredictionArchive(self.database, self.contract, self.settings.resolved_archive_path)

    @cached_property
    def prediction_log(self) -> PredictionLog:
        from pmmds_core.stores.predictions.log import PredictionLog

        return PredictionLog(self.database, self.contract, self.archive)

    @cached_property
    def ground_truth(self) -> GroundTruthStore:
        from pmmds_core.stores.predictions.labels import GroundTruthStore

        return GroundTruthStore(self.database, self.contract, self.archive)

    @cached_property
    def datasets(self) -> DatasetStore:
        from pmmds_core.stores.artifacts.datasets import DatasetStore

        return DatasetStore(self.database, self.settings.home_path / "datasets")

    @cached_property
    def registrations(self) -> RegistrationStore:
        from pmmds_core.stores.lifecycle.registered_versions import RegistrationStore

        return RegistrationStore(self.database, self.model_name)

    @cached_property
    def decisions(self) -> DecisionStore:
        from pmmds_core.stores.lifecycle.decisions import DecisionStore

        return DecisionStore(self.database, self.model_name, self.publisher)

    @cached_property
    def history(self) -> History:
        from pmmds_core.stores.lifecycle.history import History

        return History(self.database, self.model_name)

    @cached_property
    def users(self) -> UserStore:
        from pmmds_core.stores.identity.users import UserStore

        return UserStore(self.database)

    @cached_property
    def tokens(self) -> TokenStore:
        from pmmds_core.stores.identity.tokens import TokenStore

        return TokenStore(self.database)

    @cached_property
    def sessions(self) -> SessionStore:
        from pmmds_core.stores.identity.sessions import SessionStore

        lifetime = timedelta(hours=self.settings.console_session_hours)
        idle = timedelta(minutes=self.settings.console_session_idle_minutes)
        return SessionStore(self.database, lifetime, idle)

    @cached_property
    def audit(self) -> AuditStore:
        from pmmds_core.stores.identity.audit import AuditStore

        return AuditStore(self.database)

    @cached_property
    def retrainings(self) -> RetrainingStore:
        from pmmds_core.stores.lifecycle.retrainings import RetrainingStore

        return RetrainingStore(self.database, self.model_name, self.publisher)

    @cached_property
    def alerts(self) -> AlertStore:
        from pmmds_core.stores.lifecycle.alerts import AlertStore

        return AlertStore(self.database, self.publisher)

    @property
    def alert_urls(self) -> tuple[str, ...]:
        return split_urls(self.settings.alert_urls)

    @property
    def webhook_urls(self) -> tuple[str, ...]:
        return words_of(self.settings.webhook_urls)

    @property
    def publisher(self) -> Publisher:
        """The publisher that writes notifications for `alert_urls` and events for `webhook_urls`."""
        from pmmds_core.stores.lifecycle.publisher import Publisher

        return Publisher(
            tuple(target_of(url) for url in self.alert_urls),
            tuple(webhook_target_of(url) for url in self.webhook_urls),
            self.settings.console_url,
        )

    @property
    def retraining_limits(self) -> RetrainingLimits:
        s = self.settings
        cooldown = timedelta(minutes=s.retrain_cooldown_minutes)
        return RetrainingLimits(cooldown, s.retrain_max_attempts, s.retrain_max_per_day, s.retrain_min_labels)

    @property
    def split_plan(self) -> SplitPlan:
        from pmmds_core.training.mix import MixSettings
        from pmmds_core.training.split import SplitPlan

        s = self.settings
        mix = MixSettings(
            s.train_production_max_age_days,
            s.train_production_max_rows,
            s.train_reference_max_share,
            s.train_reference_min_rows,
        )
        return SplitPlan(s.train_seed, s.train_holdout_share, s.retrain_holdout_share, s.retrain_min_labels, mix)

    @cached_property
    def outbox(self) -> NotificationOutbox:
        return NotificationOutbox(self.database)

    @cached_property
    def drift(self) -> DriftStore:
        from pmmds_core.stores.monitoring.drift_reports import DriftStore

        return DriftStore(self.database)

    @cached_property
    def daily_performance(self) -> DailyPerformanceStore:
        from pmmds_core.stores.monitoring.daily_performance import DailyPerformanceStore

        return DailyPerformanceStore(self.database, self.contract, self.archive)

    @cached_property
    def histograms(self) -> HistogramStore:
        from pmmds_core.stores.monitoring.histograms import HistogramStore

        return HistogramStore(self.database, self.contract, self.archive)

    @cached_property
    def drift_windows(self) -> DriftWindows:
        from pmmds_core.stores.monitoring.drift_windows import DriftWindows

        return DriftWindows(self.database)

    @cached_property
    def segments(self) -> SegmentStore:
        from pmmds_core.stores.monitoring.segment_counts import SegmentStore

        return SegmentStore(self.database, self.contract, self.archive)

    @cached_property
    def shadow(self) -> ShadowStore:
        from pmmds_core.stores.predictions.shadow import ShadowStore

        return ShadowStore(self.database, self.contract)

    @cached_property
    def profiles(self) -> ProfileCache:
        from pmmds_core.stores.artifacts.bundle_cache import ProfileCache

        return ProfileCache(
            self.registry,
            self.model_name,
            self.folder("profiles"),
            allows_pickle=self.settings.model_pickle == "allowed",
            record=lambda version: self.decisions.recorded_digest(version),
        )

    @property
    def promotion_policy(self) -> PromotionPolicy:
        from pmmds_core.policies.promotion import PromotionPolicy

        s = self.settings
        return PromotionPolicy(
            s.promotion_min_improvement,
            s.promotion_max_latency_ratio,
            s.promotion_significance,
            forbid_worse_segment=s.promotion_forbid_worse_segment == "on",
            segment_margin=s.promotion_segment_margin,
        )

    def prepare(self) -> Deployment:
        """Open the contract, the home directory and the database, so that errors are reported before anything starts.

        Raises:
            ContractError: the contract is invalid.
            HomeNotWritableError: the home directory is not writable.
            StoreError: the database cannot be opened, or its schema is outdated.
        """
        _ = self.contract, self.folder(""), self.database
        return self

    def require_rights(self, role: str) -> Deployment:
        """Check that this login has all privileges of a role.

        Raises RightMissingError before anything is written.
        """
        from pmmds_core.stores.database.roles import check_rights

        check_rights(self.database, role)
        return self

    def folder(self, name: str) -> Path:
        """Return a folder of the home directory, which is created if it does not exist. Raises HomeNotWritableError."""
        path = self.settings.home_path / name
        try:
            make_private(self.settings.home_path)
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeNotWritableError(
                f"The folder {path} cannot be created: {error.strerror}.",
                next_step="Set PMMDS_HOME to a writable folder.",
            ) from None
        return path

    def production_version(self) -> RegisteredVersion:
        """Return the version that the production alias points to. Raises NoModelError if there is none."""
        from pmmds_core.stores.artifacts.model_registry import PRODUCTION

        version = self.registry.version_of(self.model_name, PRODUCTION)
        if version is None:
            raise NoModelError("No model is in production yet.", next_step="Run `pmmds train` first.")
        return version
