"""A plug-in for runs of which a process dies: the others do not wait for a word of it, which never comes."""

from autotune.runtime import ranks

ranks.REASON_SECONDS = ranks.PARTING_SECONDS = 0.5
