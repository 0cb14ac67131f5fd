"""placeholder until the commands exist"""


def main() -> None:
    """Run."""
