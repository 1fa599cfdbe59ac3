"""`python -m tools.schemas`: writes the generated files of `doctor/schemas/` again."""

from sdcoreml.ground.aside import update_text
from tools.schemas.documents import DOCUMENTS, FOLDER, written

for name in DOCUMENTS:
    update_text(FOLDER / name, written(name))
