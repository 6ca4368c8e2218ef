"""The strings that only the page and the picture of a cell have, beside those of every report."""

from __future__ import annotations

from .words import LANGUAGES, Words, words

ENGLISH: dict[str, str] = {
    "diagram": "The cell",
    "diagram.next": "to the next step",
    "diagram.out": "output",
    "diagram.at": "The cell with its values {where}",
    "diagram.hint": "Values are rounded; of wide vectors the first units are shown.",
    "contents": "Contents",
    "over.time": "Over time",
    "map.gate": "{name} over the steps, 0 (closed) to 1 (open).",
    "map.state": "{name} over the steps.",
    "map.axes": "Columns are steps t, rows are units.",
    "map.binned": "Each field is the mean of {steps} steps and {units} units.",
    "map.more": "Left out here: maps of {n} more layers and directions.",
    "map.title": "{name}{where}: {steps} steps, {units} units, from {least} to {most}.",
    "map.value": "t = {t}, unit {j}: {value}",
    "step.choose": "Step",
    "step.place": "Layer and direction",
    "step.row": "Row of the batch",
    "step.all": "Show all steps",
    "step.missing": "The worked lines of this step were left out here.",
    "made": "Made with lstm-trace.",
    "fold.print": "Folded steps are not printed: open those that should be on paper.",
}

GERMAN: dict[str, str] = {
    "diagram": "Die Zelle",
    "diagram.next": "zum nächsten Schritt",
    "diagram.out": "Ausgabe",
    "diagram.at": "Die Zelle mit ihren Werten {where}",
    "diagram.hint": "Die Werte sind gerundet; von breiten Vektoren stehen die ersten Einheiten da.",
    "contents": "Inhalt",
    "over.time": "Im Lauf der Zeit",
    "map.gate": "{name} über die Schritte, 0 (zu) bis 1 (offen).",
    "map.state": "{name} über die Schritte.",
    "map.axes": "Spalten sind Schritte t, Zeilen sind Einheiten.",
    "map.binned": "Jedes Feld ist das Mittel aus {steps} Schritten und {units} Einheiten.",
    "map.more": "Hier ausgelassen: Karten von {n} weiteren Schichten und Richtungen.",
    "map.title": "{name}{where}: {steps} Schritte, {units} Einheiten, von {least} bis {most}.",
    "map.value": "t = {t}, Einheit {j}: {value}",
    "step.choose": "Schritt",
    "step.place": "Schicht und Richtung",
    "step.row": "Zeile des Stapels",
    "step.all": "Alle Schritte zeigen",
    "step.missing": "Die Rechnung dieses Schritts ist hier ausgelassen.",
    "made": "Erstellt mit lstm-trace.",
    "fold.print": "Zugeklappte Schritte werden nicht gedruckt: aufklappen, was aufs Papier soll.",
}

FRENCH: dict[str, str] = {
    "diagram": "La cellule",
    "diagram.next": "vers le pas suivant",
    "diagram.out": "sortie",
    "diagram.at": "La cellule avec ses valeurs {where}",
    "diagram.hint": "Les valeurs sont arrondies ; des vecteurs larges, on montre les premières unités.",
    "contents": "Sommaire",
    "over.time": "Au fil du temps",
    "map.gate": "{name} au fil des pas, de 0 (fermée) à 1 (ouverte).",
    "map.state": "{name} au fil des pas.",
    "map.axes": "Les colonnes sont les pas t, les lignes les unités.",
    "map.binned": "Chaque case est la moyenne de {steps} pas et de {units} unités.",
    "map.more": "Omis ici : les cartes de {n} autres couches et directions.",
    "map.title": "{name}{where} : {steps} pas, {units} unités, de {least} à {most}.",
    "map.value": "t = {t}, unité {j} : {value}",
    "step.choose": "Pas",
    "step.place": "Couche et direction",
    "step.row": "Ligne du lot",
    "step.all": "Montrer tous les pas",
    "step.missing": "Le calcul de ce pas est omis ici.",
    "made": "Fait avec lstm-trace.",
    "fold.print": "Les pas repliés ne sont pas imprimés : dépliez ceux qui doivent l'être.",
}

SPANISH: dict[str, str] = {
    "diagram": "La celda",
    "diagram.next": "al paso siguiente",
    "diagram.out": "salida",
    "diagram.at": "La celda con sus valores {where}",
    "diagram.hint": "Los valores están redondeados; de los vectores anchos se muestran las primeras unidades.",
    "contents": "Contenido",
    "over.time": "A lo largo del tiempo",
    "map.gate": "{name} a lo largo de los pasos, de 0 (cerrada) a 1 (abierta).",
    "map.state": "{name} a lo largo de los pasos.",
    "map.axes": "Las columnas son los pasos t, las filas son las unidades.",
    "map.binned": "Cada casilla es la media de {steps} pasos y {units} unidades.",
    "map.more": "Omitido aquí: los mapas de otras {n} capas y direcciones.",
    "map.title": "{name}{where}: {steps} pasos, {units} unidades, de {least} a {most}.",
    "map.value": "t = {t}, unidad {j}: {value}",
    "step.choose": "Paso",
    "step.place": "Capa y dirección",
    "step.row": "Fila del lote",
    "step.all": "Mostrar todos los pasos",
    "step.missing": "El cálculo de este paso se omite aquí.",
    "made": "Hecho con lstm-trace.",
    "fold.print": "Los pasos plegados no se imprimen: despliegue los que deban estar en el papel.",
}

CHINESE: dict[str, str] = {
    "diagram": "单元结构",
    "diagram.next": "到下一时间步",
    "diagram.out": "输出",
    "diagram.at": "单元及其数值 {where}",
    "diagram.hint": "数值经过舍入；较宽的向量只显示前几个单元。",
    "contents": "目录",
    "over.time": "随时间的变化",
    "map.gate": "{name} 随时间步的变化，0（关）到 1（开）。",
    "map.state": "{name} 随时间步的变化。",
    "map.axes": "列为时间步 t，行为单元。",
    "map.binned": "每格是 {steps} 个时间步、{units} 个单元的平均值。",
    "map.more": "此处省略：另外 {n} 个层和方向的图。",
    "map.title": "{name}{where}：{steps} 个时间步，{units} 个单元，从 {least} 到 {most}。",
    "map.value": "t = {t}，单元 {j}：{value}",
    "step.choose": "时间步",
    "step.place": "层和方向",
    "step.row": "批中的行",
    "step.all": "显示所有时间步",
    "step.missing": "此处省略了这个时间步的计算。",
    "made": "由 lstm-trace 生成。",
    "fold.print": "折叠的时间步不会打印：请展开需要打印的部分。",
}

PAGE: dict[str, dict[str, str]] = {"en": ENGLISH, "de": GERMAN, "fr": FRENCH, "es": SPANISH, "zh": CHINESE}


def page_words(language: str = "en") -> Words:
    """The strings of a report and of a page; where a language has none for the page, the English ones."""
    return Words({**ENGLISH, **PAGE.get(language, {}), **(words(language).table if language in LANGUAGES else {})})
