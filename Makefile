# SPDX-License-Identifier: MIT
# Maestro: one kernel core, a bare-metal i386 kernel and a library. `make help` lists the targets.
# Everything built goes to build/. A room's own rules are in its rules.mk.

.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
PYTHON := python3
V ?= 0
ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n'
endif

# ---------------------------------------------------------------- flags
WARN := -Wall -Wextra -Werror -Wshadow -Wundef -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wcast-align \
	-Wredundant-decls -Wformat=2 -Wimplicit-fallthrough
FREESTANDING := -std=gnu17 -nostdinc -ffreestanding -fno-builtin-printf -fno-strict-aliasing -fno-strict-overflow -fno-common -Wframe-larger-than=1024
CORE_INC := -Icore/include -Icore/abi/include -Ihal/include
DEPS = -MMD -MP

# -gno-as-loc-support: the compiler writes the tables of lines itself, for Debian's assemblers of amd64 and i386 would not write the same bytes.
BARE_FLAGS := $(FREESTANDING) $(WARN) $(CORE_INC) -Ihal/baremetal-x86/include -Icore/abi/i386/include -Ibuild/gen/i386 \
	-m32 -march=i686 -mtune=generic -mgeneral-regs-only -mpreferred-stack-boundary=2 -O2 -g -gno-as-loc-support -fno-pic -fno-pie -fno-omit-frame-pointer -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fcf-protection=none -ffile-prefix-map=$(CURDIR)=. $(if $(DEBUG),-DMAESTRO_DEBUG)
HOSTED_CORE_FLAGS := $(FREESTANDING) $(WARN) $(CORE_INC) -Ihal/hosted-posix/include -Icore/abi/x86_64/include -Ibuild/gen/x86_64 \
	-m64 -g -fPIC -fno-semantic-interposition -fno-stack-protector -fno-omit-frame-pointer -ffile-prefix-map=$(CURDIR)=.
HOSTED_HOST_FLAGS := -std=gnu17 $(WARN) -D_GNU_SOURCE -Ihal/hosted-posix -Ilibmaestro/include -m64 -g -fPIC -fno-omit-frame-pointer -pthread

# ---------------------------------------------------------------- sources
CORE_COMMON := $(sort $(shell find core -name '*.c' ! -path 'core/abi/*'))
CORE_I386 := $(sort $(shell find core/abi/i386 -name '*.c' ! -path '*/vdso/*'))
CORE_X86_64 := $(sort $(shell find core/abi/x86_64 -name '*.c'))
CORE_ALL := $(CORE_COMMON) $(CORE_I386) $(CORE_X86_64)

all: ## the kernel, the library, the image tool, the FUSE front end
	$(MAKE) build/maestro.elf lib build/maestro-img build/maestro-fuse

# ---------------------------------------------------------------- generated
GEN := build/gen/stamp
$(GEN): core/abi/gen.py core/abi/i386/syscalls.tbl core/abi/x86_64/syscalls.tbl $(CORE_ALL)
	$(say) GEN 'system call tables'
	$(Q)$(PYTHON) core/abi/gen.py build/gen --doc build/gen/syscalls.md $(CORE_ALL)
	@touch $@
build/gen/%/syscall_table.c build/gen/%/gen/sys_proto.h: $(GEN) ;
build/gen/syscalls.md: $(GEN) ;
docs/syscalls.md: build/gen/syscalls.md
	$(Q)cp $< $@

# ---------------------------------------------------------------- bare metal
include hal/baremetal-x86/rules.mk

BARE_OBJS := $(patsubst %.c,build/bare/%.o,$(CORE_COMMON) $(CORE_I386) $(BARE_SRCS)) $(patsubst %.S,build/bare/%.o,$(BARE_ASM)) build/bare/syscall_table.o
build/bare/%.o: %.c | $(GEN)
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(BARE_FLAGS) $(DEPS) -c -o $@ $<
build/bare/%.o: %.S
	@mkdir -p $(@D)
	$(say) AS $<
	$(Q)$(CC) $(BARE_FLAGS) $(DEPS) -D__ASSEMBLER__ -c -o $@ $<
build/bare/syscall_table.o: build/gen/i386/syscall_table.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(BARE_FLAGS) $(DEPS) -c -o $@ $<

# ---------------------------------------------------------------- rooms
-include hal/hosted-posix/rules.mk
-include libmaestro/rules.mk
-include libmaestro/tools/rules.mk
-include fuse-frontend/rules.mk
-include hal/null/rules.mk
-include distro/rules.mk
-include tests/unit/rules.mk
-include tests/images/rules.mk
-include tests/fuzz/rules.mk
-include tests/fs/rules.mk
-include tests/abi/rules.mk
-include tests/guest/rules.mk
-include tests/bench/rules.mk
-include tests/suites/rules.mk
-include tests/suites/programs.mk
-include tests/crash/rules.mk
-include tests/man/rules.mk
-include tests/install/rules.mk
-include tests/coverage/rules.mk
-include tests/lint/rules.mk

-include $(shell find build/bare build/lib build/asan build/tsan build/debug build/fuzz build/afl build/cov -name '*.d' 2>/dev/null)

# ---------------------------------------------------------------- doing things
.PHONY: all help run test clean lib iso disk
help: ## this list
	@echo 'Maestro. Targets (make V=1 shows commands, DEBUG=1 builds the kernel with lock checks):'
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 18

run: ## boot to a shell in QEMU (MEM=256 DISK=ide|virtio NOGRAPHIC=1 ...)
	$(Q)distro/deps build run
	$(Q)$(MAKE) build/disk.img
	$(Q)distro/run
test: ## installs what is missing, passes all tests
	$(Q)distro/deps build run test
	$(Q)$(MAKE) -j$$(nproc) build/maestro.elf lib build/maestro-img build/maestro-fuse build/debug/unit-tests build/asan/unit-tests build/tsan/unit-tests
	$(Q)$(MAKE) lint test-lint
	$(Q)$(MAKE) test-unit
	$(Q)$(MAKE) test-img
	$(Q)$(MAKE) crash LIMIT=60
	$(Q)$(MAKE) test-man
	$(Q)$(MAKE) test-install
	$(Q)$(MAKE) test-fuse
	$(Q)$(MAKE) test-fuse-threads
	$(Q)$(MAKE) test-ext4
	$(Q)$(MAKE) test-images
	$(Q)$(MAKE) test-fuzz
	$(Q)$(MAKE) diff-ext2
	$(Q)$(MAKE) abi
	$(Q)$(MAKE) build/devroot.ext2
	$(Q)$(MAKE) guest
disk: build/disk.img ## the bootable disk image
iso: build/maestro.iso ## the bootable CD image
clean: ## removes what was built; keeps downloads
	rm -rf build/bare build/lib build/asan build/tsan build/debug build/null build/gen build/maestro.elf build/libmaestro.* build/maestro-img build/maestro-fuse
