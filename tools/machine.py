"""What this machine is, and how much memory a process holds, as Linux tells it."""

from pathlib import Path


def processor() -> str:
    """The processor's name; "unknown" where the system does not tell."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def memory(field: str, process: int | str = "self") -> float:
    """The memory of a process in GB (10^9 bytes); 0 where the system does not tell.

    field: "VmRSS", what it holds now, or "VmHWM", the most so far, or since that was last reset.
    """
    status = Path(f"/proc/{process}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith(f"{field}:"))
