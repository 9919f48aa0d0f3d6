# SPDX-License-Identifier: MIT
#
# The bare-metal i386 kernel. The top Makefile compiles the core and BARE_SRCS and BARE_ASM with BARE_FLAGS, which are completed here: all
# objects need the same calling convention, because entry.S and copy.S pass arguments in registers (-mregparm=3).

BARE_DIR := hal/baremetal-x86
BARE_SRCS := $(sort $(wildcard $(BARE_DIR)/*.c $(BARE_DIR)/i386/*.c $(BARE_DIR)/drivers/*.c $(BARE_DIR)/drivers/*/*.c))
BARE_ASM := $(sort $(wildcard $(BARE_DIR)/i386/*.S)) core/abi/i386/vdso/image.S
BARE_LINKER_SCRIPT := $(BARE_DIR)/i386/linker.ld
BARE_LINK := $(BARE_DIR)/link
BARE_LINK_DEPS := $(BARE_LINK) $(BARE_LINKER_SCRIPT)
# The vDSO: a small shared object for programs, carried in the kernel's read-only data (core/abi/i386/vdso/image.S).
VDSO_DIR := core/abi/i386/vdso
VDSO_CFLAGS := -m32 -march=i686 -O2 -fPIC -nostdlib -nostdinc -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables \
	-fcf-protection=none -fvisibility=hidden -fomit-frame-pointer -Wall -Wextra -Werror -std=gnu17 -Icore/include

build/vdso-i386.so: $(VDSO_DIR)/vdso.S $(VDSO_DIR)/time.c $(VDSO_DIR)/vdso.lds $(VDSO_DIR)/layout.h $(VDSO_DIR)/data.h
	@echo "  VDSO    $@"
	@mkdir -p $(@D)
	@$(CC) $(VDSO_CFLAGS) -shared -Wl,-soname,linux-gate.so.1 -Wl,--hash-style=both -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
		-Wl,-T,$(VDSO_DIR)/vdso.lds -Wl,--no-warn-rwx-segments -o $@ $(VDSO_DIR)/vdso.S $(VDSO_DIR)/time.c
	@strip --strip-unneeded $@ 2>/dev/null || true

build/bare/$(VDSO_DIR)/image.o: build/vdso-i386.so

# Appended to the flags of the top Makefile: what the assembly of this machine relies on, and what its kernel addresses need.
BARE_FLAGS += -mregparm=3 -fno-delete-null-pointer-checks

build/maestro.elf: $(patsubst %.c,build/bare/%.o,$(CORE_COMMON) $(CORE_I386) $(BARE_SRCS)) $(patsubst %.S,build/bare/%.o,$(BARE_ASM)) \
		build/bare/syscall_table.o $(BARE_LINK_DEPS)
	@echo "  LINK    $@"
	@$(BARE_LINK) $@ $(filter %.o,$^)
