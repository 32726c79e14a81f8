"""What a kernel's id looks like, as all of Jupyter has it in its addresses."""

import re
from typing import Final

KERNEL_ID: Final = re.compile(r"(?=.{9,100}$)\w+-\w+-\w+-\w+-\w+", re.ASCII)
