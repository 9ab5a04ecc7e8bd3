"""The environment file: ``environments/<name>.toml`` → frozen, validated `Settings`.

One file describes one deployment. Every fault in it is reported at once, each with file, key, rule, the value got and
the fix, so that a file is mended in one go.
"""

from dropbatch.settings.bootstrap import Bootstrap
from dropbatch.settings.models import (
    ArrivalSettings,
    BudgetSettings,
    EnvironmentSettings,
    GroupSettings,
    NetworkSettings,
    NotifySettings,
    ObservabilitySettings,
    PipelineSettings,
    PoolSettings,
    RetryRule,
    Settings,
    StateSettings,
    StorageSettings,
)
from dropbatch.settings.reader import SettingsError, load, load_all, load_bootstrap

__all__ = [
    "ArrivalSettings",
    "Bootstrap",
    "BudgetSettings",
    "EnvironmentSettings",
    "GroupSettings",
    "NetworkSettings",
    "NotifySettings",
    "ObservabilitySettings",
    "PipelineSettings",
    "PoolSettings",
    "RetryRule",
    "Settings",
    "SettingsError",
    "StateSettings",
    "StorageSettings",
    "load",
    "load_all",
    "load_bootstrap",
]
