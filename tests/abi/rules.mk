# SPDX-License-Identifier: MIT
# The ABI programs: the same binaries on Linux and on Maestro.
abi-progs := $(patsubst tests/abi/prog/%.c,%,$(wildcard tests/abi/prog/*.c))
abi-flags = $(shell cat tests/abi/flags)
abi-tree := build/abi/tree

build/abi/bin/%: tests/abi/prog/%.c tests/abi/abi.h tests/abi/flags
	@mkdir -p $(@D)
	@echo "  ABI     $*"
	@gcc $(abi-flags) -o $@.new $< && strip $@.new && mv $@.new $@

build/abi/bin/init: tests/abi/init.c tests/abi/flags
	@mkdir -p $(@D)
	@echo "  ABI     init"
	@gcc $(abi-flags) -o $@.new $< && strip $@.new && mv $@.new $@

build/abi.ext2: $(addprefix build/abi/bin/,$(abi-progs)) build/abi/bin/init \
		tests/abi/list tests/abi/mkimage build/linux/initrd
	@echo "  IMAGE   $@"
	@rm -rf $(abi-tree) && mkdir -p $(abi-tree)/abi $(abi-tree)/bin
	@cp $(addprefix build/abi/bin/,$(abi-progs)) build/abi/bin/init tests/abi/list $(abi-tree)/abi/
	@cp build/linux/busybox $(abi-tree)/bin/busybox && ln -s busybox $(abi-tree)/bin/sh
	@tests/abi/mkimage $(abi-tree) $@ 128M abi

# Compare all programs on both kernels; ABI="pipes exec" for these only.
.PHONY: abi abi-linux
abi: build/abi.ext2 build/linux/vmlinuz build/maestro.elf ## the ABI programs on both kernels, compared (ABI="pipes exec" for some)
	@tests/abi/compare $(ABI)

abi-linux: build/abi.ext2 build/linux/vmlinuz ## the same, only what Linux says
	@tests/abi/compare --only linux $(ABI)
