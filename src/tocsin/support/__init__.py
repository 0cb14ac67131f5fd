"""Plans for scarce support: where and when it does most."""
