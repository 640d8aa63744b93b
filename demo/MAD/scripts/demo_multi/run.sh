# SPDX-License-Identifier: GPL-3.0-or-later
# Two results in a table of its own, in madengine's working directory.
printf 'model,performance,metric\nforward,10.5,samples_per_second\nbackward,5.25,samples_per_second\n' > ../demo_multi.csv
