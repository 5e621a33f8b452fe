"""Whatever a call may change: found, saved, rewound, put back, verified."""
