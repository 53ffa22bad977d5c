"""From a file of labelled texts to a decision: ``slmbench decide``.

``looking`` says what the data is like, ``candidates`` what is tried, ``search`` tries it while the time lasts,
``learning_curve`` says what more labels would bring, ``doubtful`` which rows and texts a person should look at, and
``deciding`` puts the record together.
"""

from typing import TYPE_CHECKING

from slmbench.common.stage_package import on_first_use

if TYPE_CHECKING:
    from slmbench.deciding.deciding import decide

__all__ = ["decide"]

__getattr__ = on_first_use(__name__, {"decide": "deciding"})
