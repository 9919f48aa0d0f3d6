# SPDX-License-Identifier: MIT
# Crash safety of ext2: states that a power cut could leave, from recorded writes.
CRASH_SRCS := $(sort $(wildcard tests/crash/*.c))
STATES ?= 1000
SEED ?= 1

build/lib/crash-tests: $(CRASH_SRCS) tests/crash/crash.h build/libmaestro.a
	$(say) LD $@
	$(Q)$(CC) $(HOSTED_HOST_FLAGS) -O2 -o $@ $(CRASH_SRCS) build/libmaestro.a -pthread -ldl

.PHONY: crash
crash: build/lib/crash-tests ## crash safety of ext2: STATES=1000 SEED=1, LIMIT= seconds
	$(Q)$< $(STATES) $(SEED) $(LIMIT)
