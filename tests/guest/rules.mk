# SPDX-License-Identifier: MIT
# The Linux oracle, and the tests that run whole programs in a virtual machine.
build/linux/initrd: tests/guest/linux/mkoracle tests/guest/linux/init
	@tests/guest/linux/mkoracle

build/linux/vmlinuz build/linux/busybox: build/linux/initrd ;

# TESTS="shell boot" for those only.
.PHONY: guest guest-linux
guest: build/rootfs.ext2 build/disk.img build/maestro.iso build/maestro.elf ## whole programs in a virtual machine (TESTS="shell boot" for some)
	@tests/guest/run $(TESTS)

# Compilers, languages, git and so on; the short ones of these are part of guest where there is the image.
.PHONY: guest-dev
guest-dev: build/devroot.ext2 build/maestro.elf ## developers' programs in a virtual machine, the slow ones too (TESTS="dev.git")
	@tests/guest/run $(or $(TESTS),dev.)

guest-linux: build/rootfs.ext2 build/linux/vmlinuz ## the same on the Linux oracle
	@tests/guest/run --on linux $(TESTS)
