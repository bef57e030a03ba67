"""Demo: an invented region to try and to train on: its sites, accounts, devices and synthetic exams.

Standards: PS3.3 (every object is a valid IOD), PS3.5 B.2 (2.25 UIDs)
Owns:      nothing; what it makes belongs to directory and archive, at sites marked as demo
Offers:    load, reset, is_loaded, demo_exams, DEMO_PASSWORD
Emits:     nothing
Follows:   nothing
"""

from archipel.demo.dataset import DemoExam
from archipel.demo.exams import demo_exams
from archipel.demo.load import Loaded, is_loaded, load, reset
from archipel.demo.region import ACCOUNTS, DEMO_PASSWORD, DEVICES, SITES, DemoAccount, DemoDevice, DemoSite

__all__ = [
    "ACCOUNTS", "DEMO_PASSWORD", "DEVICES", "SITES", "DemoAccount", "DemoDevice", "DemoExam", "DemoSite", "Loaded",
    "demo_exams", "is_loaded", "load", "reset",
]  # fmt: skip
