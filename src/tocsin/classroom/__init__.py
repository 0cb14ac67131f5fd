"""The class edition: a static site with prepared what-ifs, a guided tour and worksheets."""
