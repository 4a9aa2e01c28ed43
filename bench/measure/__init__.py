"""What `bench/run` measures.

  processes.py   starting and ending programs; memory and processor time of one
  beckd.py       a beckd of our own; tokens, users, channels
  peers.py       the bare loop and the other programs that stand beside beckd
  load.py        the load program: requests, subscribers
  report.py      what is measured, as lines and as docs/benchmarks.md
  requests.py  fanout.py  sessions.py    the figures, by theme: a function each, which takes the Report
"""
